"""Floating-point operations and processor time, counted for every tracker."""
