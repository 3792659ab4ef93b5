"""ctx: see transfer between contexts happen."""
