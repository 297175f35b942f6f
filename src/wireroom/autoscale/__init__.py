"""How an autoscaler would treat an installation: its rules, a model of the queue, and real processes."""
