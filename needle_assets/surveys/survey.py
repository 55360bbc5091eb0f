"""What a survey is: everything by which one differs from another and that anything here uses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# What the columns of the two feature bands are called in every table, whatever the bands themselves are called. They were named
# after ZTF's and are kept, because queries and trained models know them; the column ``bands`` says what they hold.
BLUE, RED = FEATURE_COLUMNS = ("g", "r")
# How far a magnitude of one survey may lie from what another's passband of that name gives, for each of the two [mag].
PASSBAND_ERR_MAG = 0.03


@dataclass(frozen=True)
class Survey:
    """
    A survey as data.

    Parameters
    ----------
    name : str
        As in the column ``survey``.
    id_pattern, id_example : str
        Regular expression that an object id fulfils as a whole, and no id of another survey does; an id to show.
    simulated_id_pattern : str
        What ids of simulated objects fulfil; empty: nobody simulates this survey.
    band_of_number : mapping of int to str
        How its packets number bands.
    band_spellings : mapping of str to str
        Other ways in which tables write its bands, in lower case.
    extinction_wavelength_angstrom : mapping of band to float
        Where A_lambda / A_V is taken, for every band, from blue to red.
    fit_wavelength_angstrom : mapping of band to float
        Where the Gaussian process has the bands that it is fitted to, from blue to red.
    feature_bands : (str, str)
        The bluer and the redder band that features describe.
    host_bands : (str, str)
        The bands of the host catalogue that these are compared with.
    pair_bands : tuple of str
        Bands whose stamps may stand for an object, the preferred one first.
    pixel_scale_arcsec : float
        Size of a pixel of its cutouts.
    cutout_size_px, stamp_size_px : int
        Side of its cutouts, an odd number, and of the stamps that are kept of them.
    detector_shape_px : (int, int)
        Rows and columns of the detector on which a packet's ``ypos`` and ``xpos`` count from 1.
    detection_limit_mag : float
        Depth of a visit.
    has_turned_stamps : bool
        Its cutouts lie on the sky as the camera did, each with its own orientation, and are small: they are kept in
        ``core.turned_stamps``, and no network trained on stamps of ``core.stamps`` sees them.
    position_err_arcsec : float
        Error per axis of the position of one detection.
    same_exposure_days : float
        Entries of one band that are no farther apart are one exposure: less than the shortest one and its readout.
    """

    name: str
    id_pattern: str
    id_example: str
    simulated_id_pattern: str
    band_of_number: Mapping[int, str]
    band_spellings: Mapping[str, str]
    extinction_wavelength_angstrom: Mapping[str, float]
    fit_wavelength_angstrom: Mapping[str, float]
    feature_bands: tuple[str, str]
    host_bands: tuple[str, str]
    pair_bands: tuple[str, ...]
    pixel_scale_arcsec: float
    cutout_size_px: int
    stamp_size_px: int
    detector_shape_px: tuple[int, int]
    detection_limit_mag: float
    has_turned_stamps: bool = False
    position_err_arcsec: float = 0.3
    same_exposure_days: float = 3e-4  # 30 s of exposure and 8 s of readout; sources round or give mid-exposure

    def __post_init__(self) -> None:
        named = {*self.band_of_number.values(), *self.band_spellings.values(), *self.fit_bands, *self.feature_bands}
        if unknown := {*named, *self.pair_bands} - set(self.bands):
            raise ValueError(
                f"survey {self.name} has no band {', '.join(sorted(unknown))}; its bands are {', '.join(self.bands)}"
            )
        if not self.has_turned_stamps and (self.cutout_size_px % 2 == 0 or not 0 < self.stamp_size_px < self.cutout_size_px):
            raise ValueError(f"survey {self.name}: a cutout has an odd number of pixels, and more than the stamp made of it")

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands, from blue to red."""
        return tuple(self.extinction_wavelength_angstrom)

    @property
    def fit_bands(self) -> tuple[str, ...]:
        """The bands that light curves are fitted in, from blue to red."""
        return tuple(self.fit_wavelength_angstrom)

    def has_id(self, value: object) -> bool:
        """Whether ``value`` is an object id of this survey, and nothing else."""
        return isinstance(value, str) and re.fullmatch(self.id_pattern, value) is not None

    def has_simulated_id(self, value: str) -> bool:
        """Whether ``value`` is the id of a simulated object."""
        return re.fullmatch(self.simulated_id_pattern, value) is not None
