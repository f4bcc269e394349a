"""Azure's packages: the stand-ins here, and all that is installed beside them."""

from pkgutil import extend_path

from hdcore.standins.azure_names import CORE, MODULES
from hdcore.standins.serve import serve, speak_for

__path__ = extend_path(__path__, __name__)

serve("azure.ai.ml", MODULES)
serve("azure.core", CORE, is_last=True)
speak_for("azure.")
