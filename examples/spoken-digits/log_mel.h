/* Log-mel features of speech, as features.ts computes them for training, in float. */
#ifndef LOG_MEL_H
#define LOG_MEL_H

#include <stdint.h>

enum { LOG_MEL_WINDOW = 256, LOG_MEL_HOP = 128, LOG_MEL_BANDS = 32, LOG_MEL_FRAMES = 64 };

/* Fills the tables; call it once, before the rest. */
void log_mel_start(void);

/* The features of two windows, of which the second begins LOG_MEL_HOP later: mono, 8 kHz, 16 bits. */
void log_mel_of_windows(const int16_t samples[LOG_MEL_WINDOW + LOG_MEL_HOP],
                        float features[2][LOG_MEL_BANDS]);

#endif
