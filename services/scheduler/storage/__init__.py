"""PostgreSQL behind the ports: tables, repositories, unit of work."""
