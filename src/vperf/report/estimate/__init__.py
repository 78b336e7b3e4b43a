"""What is said of an estimate.

page.py puts it together; figures.py chooses what is shown; speed_table.py, facts.py, depth.py and
ops.py are its parts. Not here: how it looks (screen.py and the other writers) and how engines are
started (commands.py).
"""
