"""Which device a lesson runs on, and one sentence about it."""

import torch


def best_device():
    """The first CUDA GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device(device="cpu"):
    """Say in one line what `device` is.

    device: a `torch.device` or its name, such as "cpu" or "cuda".
    Returns a string, for example "cpu, 2 threads, torch 2.13.0".
    """
    device = torch.device(device)
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        about = f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    elif device.type == "cpu":
        count = torch.get_num_threads()
        about = f"{count} thread{'' if count == 1 else 's'}"
    else:
        about = "an accelerator"
    return f"{device}, {about}, torch {torch.__version__}"
