"""Jobs as RuntimeJob resources: ``store`` answers from a watch, records come live from Redis.

Layout: ``store`` is the JobStore. ``job_cache`` is what is known of all RuntimeJobs, kept by
``resource_watch``; ``job_resources`` makes the calls to Kubernetes; ``job_params`` keeps
parameters in Secrets. ``record_reader`` fills the record of a job that somebody reads, from
``live_stream`` (Redis) while it runs and from its Secrets afterwards; ``doorbell`` wakes it.
"""
