"""What happens to clusters. Each story returns what it saw."""
