"""What a user does, with the tools a user has, against the server as it is started."""
