"""The agent on each realserver. It never imports feedback.director."""
