"""Apache Flink: fetched into a folder outside the checkout, run as one JobManager and one TaskManager on loopback."""
