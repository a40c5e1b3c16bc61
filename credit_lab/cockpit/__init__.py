"""Row 6: tools for the hand, in JupyterLab or as a page: the policy cockpit, the bin and the scorecard editor.

Each tool is a plain object that holds the state and answers with tables (`trial`, `drafts`), a drawing made as text
(`chart`), and thin widgets on top (`panel`, `bench`).
"""
