"""What an operator sees of a running site: signs of life of the background work, and metrics.

heartbeats        do beat, a worker and each of beat's tasks still run?
database_gauges   metrics that are read from the database when they are asked for
task_signals      records the runs of tasks, as Celery reports them
label_limits      at most a hundred values for each label of a metric
broker            whether a message could be sent now
"""
