"""One package each between gitagent and the world: pygit2, github3, docker, openai, llama_cpp."""
