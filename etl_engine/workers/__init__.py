"""What ticks: loops that run as long as a process does."""
