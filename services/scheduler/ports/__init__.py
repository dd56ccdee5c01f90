"""What the use cases need of the outside: repositories, and where events go. One unit of work is one transaction."""
