"""The gateway: any OpenAI client is pointed at it. One event loop; nothing in it waits for a disk."""
