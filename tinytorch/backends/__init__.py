"""``tinytorch.backends``: switches of libraries that programs set. They switch nothing."""

from tinytorch.backends import cuda as cuda
from tinytorch.backends import cudnn as cudnn
from tinytorch.backends import mps as mps
