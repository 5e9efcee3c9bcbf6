"""The demo: a trained system served by the gateway, asked by the official client, and what that saved."""
