"""`make demo-kafka`: every part of the system live on one machine, and an app whose reward rises as it learns."""
