"""Where things are seen during an exposure: 3D camera paths, planes at their depths, things that move by themselves.

All of it is 3x3 matrices (homographies): what a pinhole camera sees of a plane when it turns by R and moves by t is
x' ~ (R + t q^T) x, with q the plane's inverse depth along each axis (Hartley and Zisserman 2004, eq. 13.1). Near planes
move more than far ones, tilted ones more at one end than at the other, so blur varies over a frame as it does in the
street. Matrices are float64 numpy; only rasterising (`vdeblur.training.render`) happens on a device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrices = NDArray[np.float64]
"""(..., 3, 3)"""
TERMS = 6
FRAME_HEIGHT = 720
"""Rows of the whole frame that a clip is a crop of, px: a rolling shutter reads them one after another."""


@dataclass(frozen=True)
class Trajectory:
    """A smooth path of some coordinates: a drift plus a band-limited tremor.

    The tremor is a sum of sinusoids of 0.3 to 18 Hz (at 30 fps) whose velocities, not amplitudes, are of one order:
    hands shake with a spectrum that falls with frequency.
    """

    frequency: NDArray[np.float64]
    """(coordinates, TERMS), radians per frame."""
    phase: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    drift: NDArray[np.float64]
    """(coordinates,), per frame."""
    swell: tuple[float, float, float]
    """Frequency, phase and depth with which time itself runs faster and slower; a depth of 0 is steady."""

    @staticmethod
    def draw(rng: np.random.Generator, shares: NDArray[np.float64], unsteady: bool) -> Trajectory:
        """A path whose coordinates move as much as `shares` says, in units of their own, about once a frame."""
        count = len(shares)
        frequency = 2 * math.pi * np.exp(rng.uniform(np.log(0.01), np.log(0.6), (count, TERMS)))
        tremor = rng.uniform(0.1, 1.0)
        shares = shares * np.exp(0.5 * rng.normal(size=count))
        amplitude = tremor * rng.normal(size=(count, TERMS)) / math.sqrt(TERMS) / frequency * shares[:, None]
        drift = (1 - tremor) * rng.normal(size=count) * shares
        depth = float(rng.uniform(0.6, 1.0)) if unsteady else 0.0
        swell = 2 * math.pi * float(rng.uniform(0.06, 0.3)), float(rng.uniform(0, 2 * math.pi)), depth
        return Trajectory(frequency, rng.uniform(0, 2 * math.pi, (count, TERMS)), amplitude, drift, swell)

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times of any shape, in frames -> (..., coordinates)."""
        frequency, phase, depth = self.swell
        times = times + depth / frequency * np.sin(frequency * times + phase)
        t = times[..., None, None]
        wave = (self.amplitude * (np.sin(self.frequency * t + self.phase) - np.sin(self.phase))).sum(-1)
        return np.asarray(wave + self.drift * times[..., None])

    def scaled(self, factor: float) -> Trajectory:
        """The same path, longer by `factor`."""
        return Trajectory(self.frequency, self.phase, self.amplitude * factor, self.drift * factor, self.swell)


@dataclass(frozen=True)
class CameraMotion:
    """A path of rotation (x, y, z in radians) and translation (in depths of the plane with q = (0, 0, 1))."""

    path: Trajectory
    focal: float
    """px"""
    offset: tuple[float, float]
    """Where the clip's centre lies in the whole frame, px from the principal point."""

    @staticmethod
    def draw(rng: np.random.Generator, frames: int, speed: float, unsteady: bool) -> CameraMotion:
        """A camera by which the clip's centre, at depth one, moves `speed` px per frame on average."""
        focal = float(FRAME_HEIGHT * np.exp(rng.uniform(np.log(0.8), np.log(2.5))))
        offset = float(rng.uniform(-480, 480)), float(rng.uniform(-240, 240))
        turns, walks = rng.uniform(0.1, 1.0), rng.uniform(0.0, 1.0) * (rng.random() < 0.7)
        roll, dolly = rng.uniform(0, 1.0), rng.uniform(0, 1.0)
        shares = np.array([turns, turns, roll * focal / 500, walks, walks, dolly * walks * focal / 500]) / focal
        axis = rng.permutation([1.0, rng.uniform(0.2, 1.0)])
        shares[[0, 1]] *= axis
        shares[[3, 4]] *= axis[::-1]
        camera = CameraMotion(Trajectory.draw(rng, shares, unsteady), focal, offset)
        times = np.linspace(-frames / 2, frames / 2, frames * 8)
        seen = camera.homography(times, np.array([0.0, 0.0, 1.0])) @ np.array([0.0, 0.0, 1.0])
        track = seen[:, :2] / seen[:, 2:]
        length = float(np.linalg.norm(np.diff(track, axis=0), axis=1).sum()) / frames
        return CameraMotion(camera.path.scaled(speed / max(length, 1e-6)), focal, offset)

    def homography(self, times: NDArray[np.float64], plane: NDArray[np.float64]) -> Matrices:
        """Pixels about the clip's centre at each time -> where the plane q shows them at time 0, (..., 3, 3)."""
        pose = self.path.at(times)
        moved = _rotation(pose[..., :3]) + pose[..., 3:, None] * plane
        fx, (ox, oy) = self.focal, self.offset
        to_rays = np.array([[1 / fx, 0, ox / fx], [0, 1 / fx, oy / fx], [0, 0, 1]])
        return np.asarray(np.linalg.inv(to_rays) @ _inverse(moved) @ to_rays)


def _inverse(m: Matrices) -> Matrices:
    """Up to scale, which homographies do not have: the adjugate, whose rows are cross products of columns."""
    a, b, c = m[..., 0], m[..., 1], m[..., 2]
    return np.asarray(np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=-2))


def _rotation(angles: NDArray[np.float64]) -> Matrices:
    """Rotation by a vector (..., 3), Rodrigues' formula to second order: exact enough below 0.3 radians."""
    x, y, z = angles[..., 0], angles[..., 1], angles[..., 2]
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return np.asarray(np.eye(3) + cross + cross @ cross / 2)


def similarity_transform(motion: NDArray[np.float64]) -> Matrices:
    """x, y (px), roll (radians), log zoom (..., 4) -> the inverse motion, pixels to where they were before it."""
    zoom = np.exp(-motion[..., 3])
    a, b = zoom * np.cos(motion[..., 2]), zoom * np.sin(motion[..., 2])
    x, y, zero, one = motion[..., 0], motion[..., 1], np.zeros_like(a), np.ones_like(a)
    rows = [a, b, -(a * x + b * y), -b, a, b * x - a * y, zero, zero, one]
    return np.asarray(np.stack(rows, -1).reshape(*a.shape, 3, 3))
