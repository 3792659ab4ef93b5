"""The commands of ``ctx``, a file a group; `ctx.cli` puts them together."""
