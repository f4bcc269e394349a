"""Azure's packages for artificial intelligence: the stand-ins here, and all that is installed beside them."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
