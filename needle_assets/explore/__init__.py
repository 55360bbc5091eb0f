"""Pages to look at objects and candidates and to judge them, over the published warehouse. Pictures are drawn when somebody looks."""
