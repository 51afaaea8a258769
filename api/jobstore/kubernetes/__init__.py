"""Jobs as RuntimeJob resources: ``store`` answers from a watch, records come live from Redis.

``store`` is the JobStore. ``job_params`` keeps parameters in Secrets (``job_secrets``).
``record_reader`` fills the record of a job that somebody reads, from ``live_streams`` (Redis)
while the job runs and from its Secrets afterwards. RuntimeJobs are read and written by
``api.resources.watched_kind``.
"""
