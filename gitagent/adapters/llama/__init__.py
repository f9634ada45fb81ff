"""Any GGUF model in this process, through llama.cpp and llguidance (extra `local`)."""

from gitagent.adapters.llama.model import LlamaModel
from gitagent.adapters.llama.worker import LlamaWorker

__all__ = ["LlamaModel", "LlamaWorker"]
