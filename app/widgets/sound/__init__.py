"""A sound on the screen: its waveform, its spectrogram, what plays it, and clips of takes."""
