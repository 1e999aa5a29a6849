"""The parts of reading what models write: each reads one thing and knows nothing of asks; `answer_format` uses them."""
