"""Byte layout of what Python writes and the native runner reads. Everything is int64 words.

A program is a header and records in order; each record starts with its opcode and its length in
bytes. Addresses are absolute. The table holds the address of every slot::

    program = header, records
    records = (launch | product | copy | branch | loop)*, end
    launch  = opcode, length, fields, then outside the record: tasks, argument arrays, slot ids
    branch  = opcode, length, fields, records (true), records (false)
    loop    = opcode, length, fields, records (test), records (body), then outside the record:
              carries, slices
"""

from __future__ import annotations

WORD = 8

# --------------------------------------------------------------------- program header

TEAM = 0 * WORD  # address of the team (below)
TABLE = 1 * WORD  # address of the slot table
STATUS = 2 * WORD  # slot of the status word, or -1
USES_BLAS = 3 * WORD
SCRATCH = 4 * WORD  # scratch memory of the calling thread
HEADER_BYTES = 5 * WORD

# ---------------------------------------------------------------------------- records

OPCODE = 0 * WORD
LENGTH = 1 * WORD
TASKS = 2 * WORD  # number of tasks
PARALLEL = 3 * WORD
SCRATCH_BYTES = 4 * WORD  # what a thread that runs its tasks must bring

END = 0
LAUNCH = 1
PRODUCT = 2
COPY = 3
BRANCH = 4
LOOP = 5

# launch
ENTRY = 5 * WORD  # address of the kernel
FINISH = 6 * WORD  # address of its finish, or 0
CHECKS = 7 * WORD  # whether the kernel may set the status word
TASK_ARRAY = 8 * WORD  # address of tasks
ARGUMENTS = 9 * WORD  # address of the argument arrays, one row after the other
ARGUMENT_SLOTS = 10 * WORD  # address of as many slot ids
ARGUMENT_COUNT = 11 * WORD
FINISH_ARRAY = 12 * WORD  # address of one task a row, for the finish
ROWS = 13 * WORD
LAUNCH_BYTES = 14 * WORD

# a task: the row's argument array, then the range of the chunked axis
TASK_ARGUMENTS = 0 * WORD
TASK_LO = 1 * WORD
TASK_HI = 2 * WORD
TASK_CHUNK = 3 * WORD
TASK_BYTES = 4 * WORD

# product
LEFT = 5 * WORD  # slots
RIGHT = 6 * WORD
OUT = 7 * WORD
ITEMSIZE = 8 * WORD  # 4: float32, 8: float64
M = 9 * WORD
N = 10 * WORD
K = 11 * WORD
TRANSPOSE_LEFT = 12 * WORD
TRANSPOSE_RIGHT = 13 * WORD
LEFT_STRIDE = 14 * WORD
RIGHT_STRIDE = 15 * WORD
PANEL_ROWS = 16 * WORD
PANELS = 17 * WORD  # of one member of the batch
GEMM = 18 * WORD  # address of cblas_?gemm, or 0 for the portable one
GEMM_INT = 19 * WORD  # bits of its integers: 32 or 64
PRODUCT_BYTES = 20 * WORD

# copy
COPY_SOURCE = 5 * WORD  # slots
COPY_TARGET = 6 * WORD
COPY_NBYTES = 7 * WORD
COPY_BYTES = 8 * WORD

# branch
PREDICATE = 5 * WORD  # slot
OTHERWISE = 6 * WORD  # bytes from the record to its second list of records
BRANCH_BYTES = 7 * WORD

# loop
COUNT = 5 * WORD  # number of runs
CONDITION = 6 * WORD  # slot of a bool that is asked before each run instead, or -1
BODY = 7 * WORD  # bytes from the record to the records of the body
CARRIES = 8 * WORD
CARRY_ARRAY = 9 * WORD  # address of carries
SLICES = 10 * WORD
SLICE_ARRAY = 11 * WORD  # address of slices
REVERSE = 12 * WORD
LOOP_BYTES = 13 * WORD

# a carry: slots
CARRY_FIRST = 0 * WORD
CARRY_SECOND = 1 * WORD
CARRY_NOW = 2 * WORD
CARRY_NEXT = 3 * WORD
CARRY_BYTES = 4 * WORD

# a slice: slots, and bytes from one run to the next
SLICE_VIEW = 0 * WORD
SLICE_WHOLE = 1 * WORD
SLICE_STRIDE = 2 * WORD
SLICE_BYTES = 3 * WORD

# ------------------------------------------------------------------------------- team
# Words that different threads write at the same time lie on lines of their own.

LINE = 128

TICKET = 0 * LINE  # tasks of the region at hand that nobody has claimed
DONE = 1 * LINE  # tasks finished
BUSY = 2 * LINE  # 1 while a thread leads a region
SLEEPERS = 3 * LINE  # workers that are parked
WAITING = 4 * LINE  # 1 while the leader is parked
RECORD = 5 * LINE  # record of the region at hand
RECORD_TABLE = RECORD + 1 * WORD
RECORD_TASKS = RECORD + 2 * WORD
WANTED = RECORD + 3 * WORD  # threads of a region, the leader among them
ALIVE = RECORD + 4 * WORD  # workers that exist
STOP = RECORD + 5 * WORD  # 1 while workers are sent home
SPIN = RECORD + 6 * WORD  # turns of waiting before a thread parks
FAILED = RECORD + 7 * WORD  # 1 if a worker had no memory for scratch
WORKER = RECORD + 8 * WORD  # address of the worker's start routine
THREAD = RECORD + 9 * WORD  # where pthread_create writes
BLAS_LOCK = 6 * LINE
BLAS_DEPTH = BLAS_LOCK + 1 * WORD  # runs that use BLAS at this moment
BLAS_SAVED = BLAS_LOCK + 2 * WORD  # its number of threads before the first of them
BLAS_SET = BLAS_LOCK + 3 * WORD  # addresses of its two functions, or 0
BLAS_GET = BLAS_LOCK + 4 * WORD
MUTEX = 7 * LINE
WORK = 8 * LINE  # condition: there are tasks
IDLE = 9 * LINE  # condition: all tasks are finished
SIGNALS = 10 * LINE  # signals that workers do not take
TEAM_BYTES = 11 * LINE

OUT_OF_MEMORY = -1  # status of a run, beside 0 and the codes of checks
INTERRUPTED = -2  # status of a run in which a signal's handler raised an exception
