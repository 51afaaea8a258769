"""A person's browser: it logs in on a page, and is then known by a cookie.

``same_origin`` tells this server's own pages from those of others, ``cookies`` holds the session,
``attempt_bounds`` slows guesses down, ``code_flow`` logs in at an OpenID provider, ``pages`` is the
HTML; ``login`` puts them together. ``auth`` asks it for who a cookie stands for.
"""
