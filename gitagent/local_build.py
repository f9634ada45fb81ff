"""How llama-cpp-python is compiled for the extra `local`: only what gitagent uses of it.

Left out are the programs around the library (server, tools, examples, tests), multimodal input and the helper
library those share, most of a default build. What the compiler finds out about this machine's processor stays in,
so a wheel belongs to the machine that built it.
"""

LEAN_CMAKE = __file__.removesuffix("local_build.py") + "local_build.cmake"
"""Goes to CMAKE_PROJECT_llama.cpp_INCLUDE: the bindings force LLAMA_BUILD_COMMON on, this turns it off again."""

SWITCHES = (
    "-DLLAVA_BUILD=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
)

HOW_LONG = "about 2 minutes on 2 free cores, once per machine"


def cmake_args() -> str:
    """The value of CMAKE_ARGS, words quoted as a shell would need them."""
    include = f"-DCMAKE_PROJECT_llama.cpp_INCLUDE={LEAN_CMAKE}"
    if any(character in include for character in " '\"\\"):
        include = "'" + include.replace("'", "'\"'\"'") + "'"
    return " ".join((*SWITCHES, include))


def command(*, in_clone: bool) -> str:
    """The one command that adds local models: in a clone of gitagent, or to an installed package."""
    if in_clone:
        return "make local"
    return f'CMAKE_ARGS="{cmake_args()}" pip install "gitagent[local]"'
