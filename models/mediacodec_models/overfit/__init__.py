"""The archive codec's networks and how one picture is fitted."""
