"""What every tier over HTTP needs, whatever it speaks: endpoints, breaker, retries, limits of time, listed prices."""
