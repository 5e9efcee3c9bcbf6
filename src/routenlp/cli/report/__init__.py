"""`routenlp report`: the figures in words and tables, as Markdown, as one page of HTML, and as JSON."""
