"""How much an import takes in: every cap, so that no file can fill the memory or the disk."""

MOST_BYTES = 1 << 29  # of a file, unpacked
MOST_SHEETS = 1 << 27  # of an Excel workbook, unpacked: its texts are held in memory
MOST_RATIO = 200  # unpacked to packed; real text packs to a tenth
RATIO_FROM = 1 << 24  # bytes from which the ratio counts
MOST_ROWS = 2_000_000
MOST_LINE = 1 << 20  # bytes, and characters of a row that spans lines
MOST_COLUMNS = 1_000
MOST_TEXT = 100_000  # characters
MOST_WORDS = 2_000
MOST_DEPTH = 50  # lists and records inside one another
MOST_LABEL = 100  # characters
MOST_LABELS = 500
MOST_FILES = 100  # in a folder
LEAST_TEXTS = 10  # different ones: fewer can't be split
LEAST_GROUPS = 10
SAMPLE = 1_000  # rows that are looked at to guess what they are
KEPT = 50  # refusals and repairs that a report names; all are counted
MOST_USED = 50_000_000  # characters of the examples that runs use: whole processes hold them
USED = 8_000  # examples that runs use unless asked otherwise
SURE = 20  # examples of every label that are always among those
