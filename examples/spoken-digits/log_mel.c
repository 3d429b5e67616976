#include "log_mel.h"

#include <math.h>

enum { HALF = LOG_MEL_WINDOW / 2 };

static const float rate = 8000.0f;
static const float lowest = 60.0f;
static const float highest = 4000.0f;
static const float silence = 1e-7f; /* energy, in units of a full-scale sine */
static const float turn = 6.28318530718f;

static float window[LOG_MEL_WINDOW];
static float cosines[HALF], sines[HALF];
static uint8_t reversed[LOG_MEL_WINDOW];
/* In bins: begin, top and end of neighbouring bands; and 1 / the distance to the next. */
static float edges[LOG_MEL_BANDS + 2];
static float slopes[LOG_MEL_BANDS + 1];

static float mel_of(float hertz)
{
    return 2595.0f * log10f(1.0f + hertz / 700.0f);
}

static uint8_t with_bits_reversed(int n)
{
    int index = 0;
    for (int bit = 1; bit < LOG_MEL_WINDOW; bit *= 2) {
        index = index * 2 + ((n & bit) != 0);
    }
    return (uint8_t)index;
}

void log_mel_start(void)
{
    for (int n = 0; n < LOG_MEL_WINDOW; n++) {
        /* Samples are 32768 for 1; Hann's window and the negative frequency leave a quarter, of
         * which energies_of takes the double. */
        float unit = 2.0f * 32768.0f * (float)LOG_MEL_WINDOW / 4.0f;
        window[n] = (0.5f - 0.5f * cosf(turn * (float)n / (float)LOG_MEL_WINDOW)) / unit;
        reversed[n] = with_bits_reversed(n);
    }
    for (int k = 0; k < HALF; k++) {
        cosines[k] = cosf(turn * (float)k / (float)LOG_MEL_WINDOW);
        sines[k] = -sinf(turn * (float)k / (float)LOG_MEL_WINDOW);
    }
    float from = mel_of(lowest), to = mel_of(highest);
    for (int i = 0; i < LOG_MEL_BANDS + 2; i++) {
        float mel = from + (to - from) * (float)i / (float)(LOG_MEL_BANDS + 1);
        float hertz = 700.0f * (powf(10.0f, mel / 2595.0f) - 1.0f);
        edges[i] = hertz * (float)LOG_MEL_WINDOW / rate;
        if (i > 0) slopes[i - 1] = 1.0f / (edges[i] - edges[i - 1]);
    }
}

/* Cooley and Tukey's Fourier transform of elements in the order of reversed, in place. */
static void transform(float *re, float *im)
{
    for (int half = 1; half < LOG_MEL_WINDOW; half *= 2) {
        for (int first = 0; first < LOG_MEL_WINDOW; first += 2 * half) {
            for (int k = 0; k < half; k++) {
                int even = first + k, odd = even + half;
                float c = cosines[k * (HALF / half)], s = sines[k * (HALF / half)];
                float turned_re = re[odd] * c - im[odd] * s;
                float turned_im = re[odd] * s + im[odd] * c;
                re[odd] = re[even] - turned_re;
                im[odd] = im[even] - turned_im;
                re[even] += turned_re;
                im[even] += turned_im;
            }
        }
    }
}

/*
 * The transform of window a + i · window b, each of real numbers: bins 0 to HALF of re become the
 * energies of a, those of im the energies of b. 2 A(k) is X(k) + X*(-k), 2 B(k) is -i (X(k) - X*(-k)).
 */
static void energies_of(float *re, float *im)
{
    for (int k = 0; k <= HALF; k++) {
        int mirrored = (LOG_MEL_WINDOW - k) % LOG_MEL_WINDOW;
        float a_re = re[k] + re[mirrored], a_im = im[k] - im[mirrored];
        float b_re = im[k] + im[mirrored], b_im = re[mirrored] - re[k];
        re[k] = a_re * a_re + a_im * a_im;
        im[k] = b_re * b_re + b_im * b_im;
    }
}

/* Decades by which the energy under the triangle of a band exceeds silence. */
static float feature_of(int band, const float *energies)
{
    float left = edges[band], right = edges[band + 2];
    float sum = 0.0f;
    for (int bin = (int)left + 1; bin <= HALF && (float)bin < right; bin++) {
        float rise = ((float)bin - left) * slopes[band];
        float fall = (right - (float)bin) * slopes[band + 1];
        sum += (rise < fall ? rise : fall) * energies[bin];
    }
    return log10f(1.0f + sum / silence);
}

void log_mel_of_windows(const int16_t samples[LOG_MEL_WINDOW + LOG_MEL_HOP],
                        float features[2][LOG_MEL_BANDS])
{
    float re[LOG_MEL_WINDOW], im[LOG_MEL_WINDOW];
    for (int n = 0; n < LOG_MEL_WINDOW; n++) {
        re[reversed[n]] = (float)samples[n] * window[n];
        im[reversed[n]] = (float)samples[n + LOG_MEL_HOP] * window[n];
    }
    transform(re, im);
    energies_of(re, im);
    for (int band = 0; band < LOG_MEL_BANDS; band++) {
        features[0][band] = feature_of(band, re);
        features[1][band] = feature_of(band, im);
    }
}
