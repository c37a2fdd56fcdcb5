"""Where everything is put together and run: rooms, flows, engine, doors and voice become one process."""
