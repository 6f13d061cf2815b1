"""`python -m tests.eval`: how good the desk's judgement is, on film with truth; writes `models/README.md`.

Read `measure` for what is done, `scoring`, `seats` and `alerts` for what counts as right, `render` for the page.
"""
