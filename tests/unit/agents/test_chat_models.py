"""Models that embed, rerank, hear, speak or draw are known by their names, and no model that chats is taken for one."""

from __future__ import annotations

import pytest

from aragora.agents.chat_models import can_chat, first_chat_model

# Names as LM Studio, Ollama, vLLM, LocalAI, Infinity and OpenAI list them.
CANNOT = """
text-embedding-nomic-v1.5 text-embedding-nomic-embed-text-v1.5@q4_k_m nomic-embed-text:latest mxbai-embed-large
snowflake-arctic-embed2 qwen3-embedding:0.6b Qwen/Qwen3-Reranker-4B BAAI/bge-m3 bge-reranker-v2-m3 embeddinggemma:300m
intfloat/multilingual-e5-large e5-mistral-7b-instruct Alibaba-NLP/gte-Qwen2-7B-instruct all-minilm:l6-v2
sentence-transformers/all-MiniLM-L6-v2 all-mpnet-base-v2 paraphrase-multilingual text-embedding-3-small
jina-embeddings-v3 granite-embedding:278m whisper-1 openai/whisper-large-v3 gpt-4o-transcribe gpt-4o-mini-tts tts-1-hd
kokoro-82m parakeet-tdt-0.6b qwen3-asr dall-e-3 gpt-image-1 stable-diffusion-xl flux.1-dev omni-moderation-latest
llama-guard3:8b granite3-guardian shieldgemma:2b deepseek-ocr openai/clip-vit-large-patch14 colbert-ir/colbertv2.0
google-bert/bert-base-uncased
"""
CAN = """
llama3.2:3b llama3.3:70b-instruct-q4_K_M qwen3:8b Qwen/Qwen3-32B-AWQ qwen2.5-vl-7b-instruct gemma3:27b gemma-3n-E4B-it
mistral-small3.2 mistralai/Mistral-Nemo-Instruct-2407 phi4 phi-4-mini-reasoning deepseek-r1:14b deepseek-v3 gpt-oss:20b
gpt-5.4 command-r7b granite4:micro smollm2:135m olmo2 yi:34b solar falcon3 speechless-llama2 hermes3 tulu3 glm-4.6
zai-org/GLM-4.5-Air kimi-k2 minimax-m2 openchat starling-lm vicuna wizardlm2 codestral devstral albert-large aya-expanse
my-finetune model.gguf default gemma-3-270m-it-Q4_K_M llava:13b nous-capybara exaone3.5 stablelm2 dolphin3
"""


@pytest.mark.parametrize("name", CANNOT.split())
def test_a_model_that_cannot_answer_is_known_by_its_name(name: str) -> None:
    assert not can_chat(name)


@pytest.mark.parametrize("name", CAN.split())
def test_a_model_that_chats_is_never_passed_over(name: str) -> None:
    assert can_chat(name)


def test_the_first_that_can_chat_is_chosen_and_none_where_there_is_none() -> None:
    assert first_chat_model(["", "text-embedding-nomic-v1.5", "qwen3:8b", "llama3.2"]) == "qwen3:8b"
    assert first_chat_model(["nomic-embed-text", "whisper-1"]) is None
    assert first_chat_model([]) is None
