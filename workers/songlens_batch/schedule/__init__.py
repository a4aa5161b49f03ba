"""Batches and retraining at set times: a file of schedules, and RQ's cron, which queues their jobs."""
