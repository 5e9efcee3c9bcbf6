"""The OpenAPI documents of both listeners, kept by hand: a request is split and not decoded, so no type of ours says
all that it may hold. Tests hold them to the routes, and the running server to them."""
