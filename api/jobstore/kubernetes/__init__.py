"""Jobs as RuntimeJob resources: ``store`` answers from a watch, records come live from Redis.

Layout: ``store`` is the JobStore. ``watched_kind`` reads and writes RuntimeJobs (and programs and
backends, for their stores): ``resource_cache`` is what is known of them, kept by
``resource_watch``; by ``written_mark`` servers tell each other how far they have written.
``job_params`` keeps parameters in Secrets (``job_secrets``). ``record_reader`` fills the record of
a job that somebody reads, from ``live_stream`` (Redis) while it runs and from its Secrets
afterwards; ``doorbell`` wakes it.
"""
