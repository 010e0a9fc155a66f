"""What an agent watches on its host, one kind in one file: an event, not the next interval, tells of a change."""
