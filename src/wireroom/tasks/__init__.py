"""The task board and the operator that works through it.

Pure modules decide (`states`, `requests`, `choice`, `endings`, `quiet`, `words`); `board`, `turn` and `watch`
obey. The board's own table is shared with other programs: what it says is the truth, and is looked at again
in the transaction that changes it.
"""
