"""The new words of a reply, apart from quotation and signature."""

from mailsvc.understand.replies.split import SplitReply, split_reply, whole_body

__all__ = ["SplitReply", "split_reply", "whole_body"]
