"""What is said of graded results.

page.py puts it together; figures.py names what was measured, sentences.py says it in words that
annotations and JUnit share; tables.py, waterfall.py and by_load.py are the parts of a page. Not
here: how the figures come about (checks/), and how it looks (the writers).
"""
