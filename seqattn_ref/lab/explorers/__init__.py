"""Things to drag or slide: one file for each, all built on `Explorer`."""
