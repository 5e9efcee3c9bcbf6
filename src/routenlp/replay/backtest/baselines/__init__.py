"""What a router must beat: published routers and cascades, written from their papers onto the same information."""
