"""Batches and where they come from: sampled, in memory, or streamed; knows nothing of tasks or training."""

from gru_lab.data.batch import Batch, Sum, Sums, add, at_end, in_chunks, over_chunks, sequences, whole_weights
from gru_lab.data.buckets import bucketed_chunks, without_padding
from gru_lab.data.memory import bytes_per_sequence, chunk_size, cores, memory_at_hand, memory_in_all
from gru_lab.data.source import InMemory, Sampled, Source, Split
from gru_lab.data.stream import Stream

__all__ = [
    "Batch",
    "InMemory",
    "Sampled",
    "Source",
    "Split",
    "Stream",
    "Sum",
    "Sums",
    "add",
    "at_end",
    "bucketed_chunks",
    "bytes_per_sequence",
    "chunk_size",
    "cores",
    "in_chunks",
    "memory_at_hand",
    "memory_in_all",
    "over_chunks",
    "sequences",
    "whole_weights",
    "without_padding",
]
