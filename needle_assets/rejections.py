"""What a refusal is. Science raises it, the warehouse keeps it in ``core.rejections``; nothing is dropped in silence."""


class Rejection(Exception):  # noqa: N818 - a refusal is an outcome, not an error
    """
    Something that cannot be used, with the reason and what was measured.

    Parameters
    ----------
    reason : str
        One clear sentence: what came, what was needed, what to do.
    candid : int, optional
        The alert packet it concerns, if it is not the whole object.
    **measured : float, int, str or bool
        The numbers behind the decision, stored as JSON.
    """

    def __init__(self, reason: str, *, candid: int | None = None, **measured: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.candid = candid
        self.measured = measured
